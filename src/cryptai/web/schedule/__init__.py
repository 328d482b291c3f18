"""The jobs of the platform, one file a matter; each is a function with `@job`."""
