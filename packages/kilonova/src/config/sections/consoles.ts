/** Consoles of servers: `[vnc]`, `[serial_console]`, `[consoleauth]`, `[console]`. */
import { z } from 'zod'
import { choice, flag, list, optionalText, port, text, whole } from '../fields.ts'

export const vnc = z.strictObject({
  enabled: flag(true, 'Let users open the screens of their servers; every guest has one, whatever stands here.'),
  novncproxy_base_url: text(
    'http://127.0.0.1:6080/vnc_auto.html',
    'Where users find the proxy, as their browsers reach it: the beginning of the URLs that they are given.',
  ),
  novncproxy_host: text('127.0.0.1', 'The address on which it listens.'),
  novncproxy_port: port(6080, 'Its port.'),
})

export const serial_console = z.strictObject({
  enabled: flag(true, 'The same for serial consoles. Upstream: false.'),
  base_url: text('ws://127.0.0.1:6083/', 'Where users find the proxy of serial consoles.'),
  serialproxy_host: text('127.0.0.1', 'The address on which it listens.'),
  serialproxy_port: port(6083, 'Its port.'),
})

export const consoleauth = z.strictObject({
  token_ttl: whole(600, 'seconds', 'How long the URL of a console can be opened.', { min: 1 }),
  enforce_session_timeout: flag(false, 'End what was opened then, too.'),
})

export const console = z.strictObject({
  allowed_origins: list(
    [],
    'Names of hosts whose pages may open consoles, beside the one that the proxy itself is reached at.',
  ),
  ssl_ciphers: optionalText("Ciphers of the proxies' TLS, as OpenSSL writes them; without it those that Node takes."),
  ssl_minimum_version: choice(
    ['default', 'tlsv1_1', 'tlsv1_2', 'tlsv1_3'],
    'default',
    'The oldest TLS that the proxies speak; default is what Node does.',
  ),
})
