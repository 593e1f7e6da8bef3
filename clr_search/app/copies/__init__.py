"""The Copies tab: groups of copies to look through, and what a person says about them."""
