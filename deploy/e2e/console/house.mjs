// What every spec of the console needs: a browser, a login, the API beside it, and a place for screenshots.
import { createRequire } from 'node:module'
import { mkdirSync } from 'node:fs'
import path from 'node:path'

const require = createRequire(new URL('../../../web/console/package.json', import.meta.url))
const { chromium } = require('playwright-core')

export const base = process.env.HOTLINE_URL ?? 'http://127.0.0.1:8080'
export const who = { login: process.env.HOTLINE_LOGIN ?? 'admin', password: process.env.HOTLINE_PASSWORD ?? '' }
const artifacts = process.env.HOTLINE_ARTIFACTS ?? 'artifacts/console'
mkdirSync(artifacts, { recursive: true })

export function launch() {
  return chromium.launch({
    executablePath: process.env.HOTLINE_CHROMIUM ?? '/usr/bin/chromium',
    ignoreDefaultArgs: ['--mute-audio'],
    args: [
      '--headless=new', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update',
      '--disable-sync', '--autoplay-policy=no-user-gesture-required', '--use-fake-ui-for-media-stream', '--use-fake-device-for-media-stream',
      '--allow-loopback-in-peer-connection', '--disable-features=WebRtcHideLocalIpsWithMdns',
    ],
  })
}

// A page that fails the test when the console logs an error or the content security policy blocks something.
export async function open(browser, { width = 1440, height = 900, theme = 'light', locale = 'en-US', storage } = {}) {
  const context = await browser.newContext({ viewport: { width, height }, colorScheme: theme, locale, baseURL: base, storageState: storage, acceptDownloads: true })
  context.setDefaultTimeout(15_000)
  const page = await context.newPage()
  page.faults = []
  page.on('pageerror', (e) => page.faults.push(String(e)))
  page.on('console', (m) => {
    if (m.type() === 'error' && !/status of (401|404|409|422)/.test(m.text())) page.faults.push(m.text())
  })
  return page
}

export async function logIn(page, { login, password } = who) {
  await page.goto('/login')
  await page.fill('input[name=login]', login)
  await page.fill('input[name=password]', password)
  await page.keyboard.press('Enter')
  await page.waitForURL(/\/(tickets|desk)/)
}

export async function shot(page, name) {
  await page.screenshot({ path: path.join(artifacts, `${name}.png`) })
}

// The API with the page's own session, for what a spec prepares or looks up.
export async function api(page, method, url, body) {
  const { csrf } = await (await page.request.get('/api/v1/session')).json()
  const response = await page.request.fetch(`/api/v1${url}`, { method, data: body, headers: { 'X-CSRF-Token': csrf } })
  if (!response.ok()) throw new Error(`${method} ${url}: ${response.status()} ${await response.text()}`)
  const text = await response.text()
  return text ? JSON.parse(text) : undefined
}
