"""What notebooks ask and draw with; models are used here and never made, and no model needs it."""
