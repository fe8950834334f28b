"""Long work: recorded, followed, finished."""
