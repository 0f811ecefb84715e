"""telling.py WORD…: writes down its arguments, directory and environment as JSON into told.json."""

import json
import os
import sys

with open("told.json", "w") as file:
    json.dump({"words": sys.argv[1:], "cwd": os.getcwd(), "environment": dict(os.environ)}, file)
