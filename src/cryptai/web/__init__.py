"""The platform: the only place that knows Django; it stores, shows, schedules and permits."""
