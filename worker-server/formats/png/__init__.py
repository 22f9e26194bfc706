"""PNG and APNG: the pixels are encoded again, all other chunks are kept."""
