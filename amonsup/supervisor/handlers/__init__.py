"""What each verb does, one function a file; which one serves a verb is told by its name."""
