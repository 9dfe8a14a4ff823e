"""What findings ask for, as things to switch on: each works by itself and makes ordinary spans."""
