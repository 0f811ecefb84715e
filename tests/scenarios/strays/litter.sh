# Leaves all kinds of descendants behind; each says its pid, and a later life says if one of them is still there.
for pid in $(cat strays 2>/dev/null); do
	grep -q '^State:.[^ZX]' "/proc/$pid/status" 2>/dev/null && echo "$pid" >>beside
done
echo before >strays.$$
stay="echo \$\$ >>strays.$$; echo \$\$ >>strays; cd /; exec env -i /bin/sleep 1000"
sh -c "$stay" &                                                # a child
(sh -c "$stay" &) &                                            # whose parent is gone
setsid sh -c "$stay" &                                         # in a session of its own
(setsid sh -c "$stay" </dev/null >/dev/null 2>&1 &) &          # as daemons do it, with nothing of ours open
(setsid sh -c "trap '' TERM; $stay" </dev/null >/dev/null 2>&1 &) & # and one that does not listen
until [ "$(wc -l <strays.$$)" = 6 ]; do sleep 0.01; done
echo $$ >>lives
exec sleep 1000
