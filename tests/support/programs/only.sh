# only.sh NAME [SECONDS]: there may be one of us at a time, or it is written down; ends badly after a while.
exec 9>>"lock.$1"
if ! flock -n 9; then
	echo "$1 twice: $$" >>violations
	exit 1
fi
echo "$$" >>"lives.$1"
echo "life $$"
[ -n "$2" ] || exec sleep 1000
sleep "$2"
exit 3
