"""The paper's experiments at a scale one machine can run: `design`, `cells`, `report`."""
