"""Learning: regional demand as distributions. Pure: frames and arrays in, frames and arrays out."""
