/** Shows a guest's screen: connects to the path that the page's address names, on the host that the page came from. */
// noVNC's package, as the proxy serves it.
const { default: RFB } = await import(new URL('novnc/core/rfb.js', import.meta.url).href)

const options = new URLSearchParams(location.search)
const status = document.getElementById('status')
const reset = document.getElementById('reset')

const address = new URL(options.get('path') ?? '', new URL('.', location.href))
address.protocol = location.protocol === 'https:' ? 'wss:' : 'ws:'
if (!address.searchParams.has('token') && options.has('token')) address.searchParams.set('token', options.get('token'))

const rfb = new RFB(document.getElementById('screen'), address.href, { wsProtocols: ['binary'] })
rfb.scaleViewport = true
rfb.focusOnClick = true

rfb.addEventListener('connect', () => {
  status.textContent = document.title
  reset.disabled = false
  rfb.focus()
})
rfb.addEventListener('desktopname', ({ detail }) => {
  // It is told before "connect" as a rule, and again when the guest changes it.
  document.title = detail.name
  if (!reset.disabled) status.textContent = detail.name
})
rfb.addEventListener('disconnect', ({ detail }) => {
  reset.disabled = true
  status.textContent = detail.clean
    ? 'The console was closed.'
    : 'The console is not to be had: ask for a new URL, they are good for some minutes.'
})
reset.addEventListener('click', () => rfb.sendCtrlAltDel())
