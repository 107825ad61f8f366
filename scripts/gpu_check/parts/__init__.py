"""The parts, one file each: `run(session)` yields a figure as soon as it has it."""
