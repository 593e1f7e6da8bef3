"""Finding pictures: in folders, among files and in object stores, by stated rules."""
