"""Pure functions from a SpanTree to frozen results."""
