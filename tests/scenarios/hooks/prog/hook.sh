# hook.sh: says what it is, waits at its gate if there is one, ends as fate.KIND says. Two at a time are a violation.
kind=$AMONSUP_ERRAND
exec 9> "lock.$AMONSUP_SERVICE"
flock -n 9 || echo "$kind beside another" >> violations
echo "$$ begin $kind $AMONSUP_LIFE ${MAINPID:--} ${AMONSUP_EXIT:--}" >> did
echo "$kind speaks"
[ -p "gate.$kind" ] && read -r _ < "gate.$kind"
[ -e "stray.$kind" ] && { sleep 1000 9>&- & echo $! > "stray.$kind"; }
[ -e "hang.$kind" ] && sleep 1000
echo "$$ end $kind" >> did
[ ! -e "fate.$kind" ] || exit "$(cat "fate.$kind")"
