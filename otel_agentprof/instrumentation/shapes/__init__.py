"""The shapes of requests and answers that several providers share."""
