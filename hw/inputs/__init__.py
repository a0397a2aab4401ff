"""What becomes of an image, or of a stem's stream, on its way into the engine."""
