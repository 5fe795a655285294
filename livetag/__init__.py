"""livetag listens to a microphone and says what it hears."""
