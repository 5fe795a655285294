"""Archives: many recordings, each analyzed once by one of many workers, into one result."""
