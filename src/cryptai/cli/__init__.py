"""The command `cryptai`: one file a verb, each with `register(app)`."""
