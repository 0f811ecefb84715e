pidfile = "SITE/prosody.pid"
data_path = "SITE/data"
modules_enabled = { "posix", "roster", "saslauth", "disco", "ping" }
modules_disabled = { "s2s", "tls" }
interfaces = { "127.0.0.1" }
c2s_ports = { PORT }
c2s_direct_tls_ports = {}
http_ports = {}
https_ports = {}
log = { info = "*console" }
VirtualHost "localhost"
