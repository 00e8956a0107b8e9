// An agent's Chromium, steered over standard input: a line of JSON in, a line of JSON out. Its microphone is a tone of its own; it
// tells every event of the page's socket, and what frequencies the page hears. Environment: HOTLINE_URL, HOTLINE_CHROMIUM, MIC (a WAV
// file of 48 kHz), HOTLINE_ARTIFACTS; STRICT=1 for a browser as people have it, which asks before it gives the microphone away and is silent
// until somebody clicks; SCRIPT is a file that runs in the page before anything else.
import { createRequire } from 'node:module'
import { createInterface } from 'node:readline'
import { mkdirSync } from 'node:fs'
import path from 'node:path'

const require = createRequire(new URL('../../../web/console/package.json', import.meta.url))
const { chromium } = require('playwright-core')
const base = process.env.HOTLINE_URL
const strict = process.env.STRICT === '1'
const tell = (line) => process.stdout.write(JSON.stringify(line) + '\n')

// Runs in the page before anything else: the page's own socket and sound, watched from beside.
function watch() {
  if (location.protocol === 'about:') return // a page that was left has nothing to watch, and no storage
  localStorage.setItem('hotline.sound', JSON.stringify({ clean: false, volume: 0 })) // echo cancellation halves a tone
  const Socket = window.WebSocket
  window.WebSocket = class extends Socket {
    constructor(...args) {
      super(...args)
      window.e2eSocket = this
      this.addEventListener('message', (m) => window.e2eTold(m.data))
    }
  }
  const Peer = window.RTCPeerConnection
  window.RTCPeerConnection = class extends Peer {
    constructor(...args) {
      super(...args)
      window.e2ePeer = this
      this.addEventListener('track', (e) => {
        const context = new AudioContext()
        const analyser = context.createAnalyser()
        analyser.fftSize = 8192
        analyser.smoothingTimeConstant = 0
        context.createMediaStreamSource(new MediaStream([e.track])).connect(analyser)
        void context.resume()
        window.e2eEar = { context, analyser }
      })
    }
  }
}

// How loud some frequencies are in what the page hears, dB.
function listen(frequencies) {
  const ear = window.e2eEar
  if (!ear) return null
  const bins = new Float32Array(ear.analyser.frequencyBinCount)
  ear.analyser.getFloatFrequencyData(bins)
  const width = ear.context.sampleRate / ear.analyser.fftSize
  return frequencies.map((hz) => {
    const at = Math.round(hz / width)
    return Math.max(-200, ...bins.slice(at - 2, at + 3)) // silence is -Infinity, which JSON does not know
  })
}

let page, context, serial = 0
function heed() {
  page.on('pageerror', (e) => tell({ event: 'fault', data: String(e) }))
  page.on('console', (m) => {
    if (m.type() === 'error' && !/status of (401|404|409|422)|WebSocket|ERR_INTERNET_DISCONNECTED|ERR_CONNECTION|Failed to fetch|ERR_NETWORK/.test(m.text())) {
      tell({ event: 'fault', data: m.text() })
    }
  })
}
const waiting = new Map()

function told(raw) {
  const frame = JSON.parse(raw)
  if (frame.reply !== undefined) {
    if (String(frame.reply).startsWith('e2e-')) {
      waiting.get(frame.reply)?.(frame)
      waiting.delete(frame.reply)
    } else if (frame.ok && frame.data?.snapshot) tell({ event: 'snapshot', data: frame.data.snapshot })
    return
  }
  tell({ event: frame.event, data: frame.data })
}

const verbs = {
  async login({ login, password }) {
    await page.goto('/login')
    await page.fill('input[name=login]', login)
    await page.fill('input[name=password]', password)
    await page.keyboard.press('Enter')
    await page.waitForURL((url) => !url.pathname.startsWith('/login'))
  },
  async command({ cmd, data }) {
    const id = `e2e-${++serial}`
    const reply = new Promise((resolve) => waiting.set(id, resolve))
    await page.evaluate((frame) => window.e2eSocket.send(frame), JSON.stringify({ id, cmd, data: data ?? {} }))
    return await reply
  },
  async listen({ frequencies }) {
    return await page.evaluate(listen, frequencies)
  },
  async stats() { // for failures: what the connection sends and gets, and whether the microphone is open
    return await page.evaluate(async () => {
      const out = { state: window.e2ePeer?.connectionState, tracks: window.e2ePeer?.getSenders().map((s) => s.track && `${s.track.readyState} enabled ${s.track.enabled} muted ${s.track.muted}`) }
      for (const e of (await window.e2ePeer?.getStats())?.values() ?? []) {
        if (e.type === 'outbound-rtp') out.sent = e.packetsSent
        if (e.type === 'inbound-rtp') out.received = e.packetsReceived
        if (e.type === 'media-source') out.level = e.audioLevel
      }
      return out
    })
  },
  async press({ key }) {
    await page.keyboard.press(key)
  },
  async click({ selector }) {
    await page.click(selector)
  },
  async sees({ selector }) {
    await page.waitForSelector(selector)
  },
  async text({ selector }) {
    return await page.textContent(selector)
  },
  async reload() {
    await page.reload()
  },
  async goto({ url }) {
    await page.goto(url)
  },
  async offline({ on }) {
    await context.setOffline(on)
  },
  async leave() { // as when the tab crashes: nothing is said
    await page.goto('about:blank')
  },
  async evaluate({ script }) {
    return await page.evaluate(script)
  },
  async fill({ selector, text }) {
    await page.fill(selector, text)
  },
  async pick({ selector, value }) {
    await page.selectOption(selector, value)
  },
  async permit({ permissions }) { // as by the lock beside the address; none takes all back
    await context.clearPermissions()
    await context.grantPermissions(permissions, { origin: base })
  },
  async anew({ url }) { // another tab takes the place of this one: nobody has clicked there yet
    const before = page
    page = await context.newPage()
    heed()
    await before.close()
    await page.goto(url)
  },
  async opened() { // the pages that ours has opened, by address
    return context.pages().filter((p) => p !== page).map((p) => p.url())
  },
  async size({ width, height }) {
    await page.setViewportSize({ width, height })
  },
  async shot({ name }) {
    await page.screenshot({ path: path.join(process.env.HOTLINE_ARTIFACTS, `${name}.png`) })
  },
}

mkdirSync(process.env.HOTLINE_ARTIFACTS, { recursive: true })
const browser = await chromium.launch({
  executablePath: process.env.HOTLINE_CHROMIUM,
  ignoreDefaultArgs: ['--mute-audio'],
  args: [
    '--headless=new', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update',
    '--disable-sync', '--use-fake-device-for-media-stream',
    ...(strict ? [] : ['--autoplay-policy=no-user-gesture-required', '--use-fake-ui-for-media-stream']),
    `--use-file-for-fake-audio-capture=${process.env.MIC}`, '--allow-loopback-in-peer-connection', '--disable-features=WebRtcHideLocalIpsWithMdns',
    '--ignore-certificate-errors',
  ],
})
context = await browser.newContext({ viewport: { width: 1440, height: 900 }, locale: 'en-US', baseURL: base, ignoreHTTPSErrors: true })
await context.grantPermissions(strict ? ['notifications'] : ['microphone', 'notifications'], { origin: base })
context.setDefaultTimeout(20_000)
await context.exposeBinding('e2eTold', (_, raw) => told(raw))
await context.addInitScript(watch)
if (process.env.SCRIPT) await context.addInitScript({ path: process.env.SCRIPT })
page = await context.newPage()
heed()
tell({ event: 'started' })

for await (const line of createInterface({ input: process.stdin })) {
  const { id, verb, ...args } = JSON.parse(line)
  try {
    tell({ id, data: (await verbs[verb](args)) ?? null })
  } catch (e) {
    tell({ id, error: String(e) })
  }
}
await browser.close()
