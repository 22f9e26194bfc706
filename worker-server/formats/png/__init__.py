"""PNG and APNG: the pixels encoded anew, all other chunks kept."""
