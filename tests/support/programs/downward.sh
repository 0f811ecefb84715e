# downward.sh NAME: lives until it is told to end, then takes a moment and writes its name into the file `downward`.
trap 'sleep 0.1; echo "$1" >>downward; kill "$!"; exit 0' TERM
sleep 100000 &
echo "$1" >>upward
wait
