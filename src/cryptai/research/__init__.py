"""Can it be believed: does it see the future, does it remember enough, does it win where nothing can."""
