"""Features that speak by themselves, one file each; amonsup.yaml makes instances of them (`modules:`)."""
