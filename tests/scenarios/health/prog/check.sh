# check.sh NAME: what a check does stands in mood.NAME. Two at a time are a violation.
exec 9> "lock.$1"
flock -n 9 || echo "$1 beside another" >> violations
echo "$$" >> "checks.$1"
case "$(cat "mood.$1" 2>/dev/null)" in
  sick) echo "no database"; exit 1 ;;
  hangs) sleep 1000 & echo $! > "child.$1"; sleep 1000 ;;
  floods) while :; do echo flooding flooding flooding flooding || exit 9; done ;;
  forks) sleep 1000 9>&- & echo $! > "child.$1" ;;
esac
echo "fine as $(id -u)"
