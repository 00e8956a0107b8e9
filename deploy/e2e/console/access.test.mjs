// Every page of the console, in light and dark, on a screen and on a phone: axe-core finds nothing that keeps a person out.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { after, before, test } from 'node:test'
import { api, launch, logIn, open } from './house.mjs'

const require = createRequire(new URL('../../../web/console/package.json', import.meta.url))
const axe = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8')
let browser, storage, pages

before(async () => {
  browser = await launch()
  const page = await open(browser)
  await logIn(page)
  await api(page, 'PATCH', '/session/account', { locale: 'en' })
  storage = await page.context().storageState()
  const first = async (path) => (await api(page, 'GET', path)).items?.[0]
  const call = await first('/calls?limit=1'), trunk = await first('/trunks'), route = await first('/outbound-routes'), flow = await first('/flows')
  const party = await api(page, 'POST', '/parties', { name: 'Access Lin' })
  const bare = await api(page, 'POST', '/tickets', { subject: 'Nobody’s ticket' })
  pages = [
    '/desk', `/desk/${call.ticket}`, '/tickets?state=all', `/tickets/${call.ticket}`, `/tickets/${bare.number}`, '/tasks', '/calls', `/calls/${call.id}`, '/board', '/customers',
    `/customers/${party.id}`, '/mentions', '/profile', '/setup/agents', '/setup/teams', '/setup/skills', '/setup/pause-reasons', '/setup/wrap-codes', '/setup/queues',
    '/setup/queues/support', '/setup/routes', `/setup/routes/${route.id}`, '/setup/numbers', '/setup/trunks', `/setup/trunks/${trunk.id}`, '/setup/asterisks', '/setup/flows',
    `/setup/flows/${flow.name}`, '/setup/prompts', '/setup/hours', '/setup/hours/office', '/setup/accounts', '/setup/tokens', '/setup/audit', '/setup/system', '/nothing-here',
  ]
  await page.context().close()
})
after(() => browser?.close())

// What is wrong on the page as it stands, in the words of axe: serious and worse.
async function wrong(page) {
  await page.evaluate(axe)
  const found = await page.evaluate(() => window.axe.run(document, { resultTypes: ['violations'] }))
  return found.violations
    .filter((v) => v.impact === 'serious' || v.impact === 'critical')
    .flatMap((v) => v.nodes.map((n) => `${v.id}: ${n.html.slice(0, 160)} ${(n.any[0] ?? n.all[0] ?? n.none[0])?.message ?? ''}`))
}
// The page has its data: nothing is a placeholder any more.
async function settled(page) {
  await page.locator('h1').first().waitFor()
  await page.waitForLoadState('load')
  await page.waitForFunction(() => document.querySelector('[aria-busy=true], [data-skeleton]') === null)
}

for (const [width, theme] of [[1440, 'light'], [1440, 'dark'], [360, 'light']]) {
  test(`${width} px, ${theme}: every page`, async () => {
    const page = await open(browser, { storage, theme, width, height: width > 600 ? 900 : 780 })
    const faults = []
    for (const path of pages) {
      await page.goto(path)
      await settled(page)
      for (const f of await wrong(page)) faults.push(`${path}: ${f}`)
      if (await page.evaluate(() => document.documentElement.scrollWidth > innerWidth)) faults.push(`${path} is wider than the screen`)
    }
    assert.deepEqual(faults, [])
    await page.context().close()
  })
}

test('the dialogs and menus that open over a page', async () => {
  const page = await open(browser, { storage })
  const faults = []
  const looks = async (what) => faults.push(...(await wrong(page)).map((f) => `${what}: ${f}`))
  await page.goto('/tickets')
  await settled(page)
  await page.keyboard.press('Control+k')
  await page.getByRole('combobox').waitFor()
  await page.keyboard.type('Lin')
  await page.getByRole('option').first().waitFor()
  await looks('palette')
  await page.keyboard.press('Escape')
  await page.keyboard.press('?')
  await page.getByRole('dialog').waitFor()
  await looks('keys')
  await page.keyboard.press('Escape')
  await page.getByRole('dialog').waitFor({ state: 'detached' })
  assert.deepEqual(faults, [])
  await page.context().close()
})

test('a ticket of nobody gets a customer by the keyboard', async () => {
  const page = await open(browser, { storage })
  const made = await api(page, 'POST', '/tickets', { subject: 'Whose is it' })
  await page.goto(`/desk/${made.number}`)
  await page.locator('[data-choose-customer]').waitFor()
  await page.keyboard.press('Shift+P')
  await page.keyboard.type('Access L')
  await page.locator('[data-pick-customer]').first().waitFor()
  assert.deepEqual(await wrong(page), [])
  await page.keyboard.press('Enter')
  await page.locator('[data-customer-name]', { hasText: 'Access Lin' }).waitFor()
  assert.equal((await api(page, 'GET', `/tickets/${made.number}`)).party?.name, 'Access Lin')
  assert.deepEqual(page.faults, [])
  await page.context().close()
})
