"""What the checks of a container look at, as frozen values: none of them can be made of an answer that says nothing."""
