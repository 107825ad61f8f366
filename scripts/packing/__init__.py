"""The parts of scripts/dist."""
