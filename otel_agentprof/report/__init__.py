"""The Report, and one file per format that it can be written in."""
