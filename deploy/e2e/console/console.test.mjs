// The console against a running Hotline, as a person uses it: node --test deploy/e2e/console/
// HOTLINE_URL, HOTLINE_LOGIN, HOTLINE_PASSWORD (an admin), HOTLINE_ARTIFACTS; a call with a voicemail or recording must have ended before.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { api, base, launch, logIn, open, shot, who } from './house.mjs'

let browser
let storage
let heard // a call with a recording
const unique = Date.now().toString(36)

before(async () => {
  browser = await launch()
  const page = await open(browser)
  await logIn(page)
  await api(page, 'PATCH', '/session/account', { locale: 'en' })
  storage = await page.context().storageState()
  for (const call of (await api(page, 'GET', '/calls?limit=100')).items) {
    if (!call.ticket || !call.ended_at) continue
    const detail = await api(page, 'GET', `/calls/${call.id}`)
    if (detail.recordings?.some((r) => r.state === 'complete' && r.duration_ms > 1500)) {
      heard = detail
      break
    }
  }
  await page.context().close()
})
after(() => browser?.close())

async function inside(path, options = {}) {
  const page = await open(browser, { storage, ...options })
  await page.goto(path)
  return page
}
async function done(page) {
  assert.deepEqual(page.faults, [], 'the console logged errors')
  await page.context().close()
}
const noScroll = (page) => page.evaluate(() => document.documentElement.scrollWidth <= innerWidth)

test('a wrong password is refused in words, a right one leads on to the page that was asked for', async () => {
  const page = await open(browser)
  await page.goto('/calls')
  await page.waitForURL(/\/login\?next=/)
  await page.fill('input[name=login]', who.login)
  await page.fill('input[name=password]', 'certainly not this one')
  await page.keyboard.press('Enter')
  await page.locator('[data-field-error]').waitFor()
  await page.fill('input[name=password]', who.password)
  await page.keyboard.press('Enter')
  await page.waitForURL(/\/calls$/)
  await done(page)
})

test('the ticket of a call: its recording plays, a note is written, it is resolved', async () => {
  assert.ok(heard, 'no ended call with a complete recording: place one first')
  const page = await inside('/tickets?state=all')
  await page.getByRole('row').filter({ hasText: String(heard.ticket) }).first().click()
  await page.waitForURL(new RegExp(`/tickets/${heard.ticket}$`))
  const player = page.locator('[data-player]').last()
  await player.locator('[data-player-toggle]').click()
  const time = () => player.locator('audio').evaluate((a) => a.currentTime)
  await page.waitForFunction((el) => el.currentTime > 0.4, await player.locator('audio').elementHandle())
  const first = await time()
  await page.waitForFunction(([el, t]) => el.currentTime > t + 0.3 || el.ended, [await player.locator('audio').elementHandle(), first])
  await shot(page, 'ticket-playing')
  await player.getByRole('slider').focus()
  await page.keyboard.press('Home')
  await page.keyboard.press('>')
  assert.equal(await player.locator('audio').evaluate((a) => a.playbackRate), 1.25)

  await page.keyboard.press('Escape')
  await page.locator('h1').click()
  await page.keyboard.press('n')
  const note = `Called back, solved. 已回电，问题解决 ${unique}`
  await page.keyboard.type(note)
  await page.keyboard.press('Control+Enter')
  await page.locator('[data-entry=note]', { hasText: note }).waitFor()
  assert.equal(await page.locator('textarea[name=note]').inputValue(), '')

  const state = page.locator('[data-ticket-state]')
  if ((await state.getAttribute('data-state-value')) === 'resolved') {
    await page.locator('h1').click()
    await page.keyboard.press('Shift+O')
    await page.locator('[data-ticket-state][data-state-value=open]').waitFor()
  }
  await page.locator('[data-resolve]').click()
  await page.locator('[data-ticket-state][data-state-value=resolved]').waitFor()
  await page.locator('[data-entry=changes]').last().waitFor()
  await shot(page, 'ticket-resolved')
  await done(page)
})

test('a change that crosses another one is explained, and can be kept or dropped', async () => {
  const page = await inside('/tickets')
  const made = await api(page, 'POST', '/tickets', { subject: `Conflict ${unique}` })
  await page.goto(`/tickets/${made.number}`)
  await page.locator('[data-ticket-state]').waitFor()
  await page.route(`**/api/v1/tickets/${made.number}`, async (route) => {
    if (route.request().method() === 'PATCH') await api(page, 'PATCH', `/tickets/${made.number}`, { version: made.version, priority: 'urgent' }).catch(() => {})
    await route.continue()
  })
  await page.keyboard.press('e')
  await page.keyboard.type(`Renamed ${unique}`)
  await page.keyboard.press('Enter')
  await page.locator('[data-conflict]', { hasText: 'Urgent' }).waitFor()
  await shot(page, 'conflict')
  await page.unroute(`**/api/v1/tickets/${made.number}`)
  await page.locator('[data-conflict] button').last().click()
  await page.locator('[data-subject]', { hasText: `Renamed ${unique}` }).waitFor()
  await done(page)
})

test('the ladder of a call shows who sent what, and the whole message', async () => {
  assert.ok(heard)
  const page = await inside(`/calls/${heard.id}`)
  const rows = page.locator('[data-ladder-row]')
  await rows.first().waitFor()
  const titles = await rows.allInnerTexts()
  for (const expected of ['INVITE', '200 OK', 'ACK', 'BYE']) assert.ok(titles.some((t) => t.includes(expected)), `no ${expected} in the ladder`)
  await rows.filter({ hasText: 'INVITE' }).first().click()
  assert.match(await page.locator('[data-ladder-message] pre').innerText(), /^INVITE sip:/)
  assert.match(await page.locator('[data-ladder-message] pre').innerText(), /m=audio/)
  await page.keyboard.press('j')
  assert.doesNotMatch(await page.locator('[data-ladder-message] pre').innerText(), /^INVITE/)
  await page.locator('[data-ladder-message]').scrollIntoViewIfNeeded()
  await shot(page, 'ladder')
  await done(page)
})

test('a flow is edited, refused on its line, saved, published and rolled back', async () => {
  const page = await inside('/setup/flows')
  const { name } = (await api(page, 'GET', '/flows')).items[0]
  const beforeIt = await api(page, 'GET', `/flows/${name}`)
  if (beforeIt.has_draft) await api(page, 'DELETE', `/flows/${name}/draft`)
  await page.goto(`/setup/flows/${name}`)
  await page.getByRole('tab', { name: 'YAML' }).click()
  const content = page.locator('[data-flow-editor] .cm-content')
  await content.click()
  await page.keyboard.press('Control+Home')
  await page.keyboard.type(`wrong_key_${unique}: 1\n`)
  await page.locator('[data-flow-problem]').first().waitFor()
  assert.match(await page.locator('[data-flow-problem]').first().innerText(), /line 1\b/)
  await page.locator('[data-flow-editor] .cm-lint-marker-error').first().waitFor()
  assert.ok(await page.locator('[data-publish]').isDisabled(), 'a flow with problems can be published')
  await shot(page, 'flow-problem')
  await content.click()
  await page.keyboard.press('Control+a')
  await page.keyboard.press('Delete')
  await page.evaluate((text) => navigator.clipboard?.writeText(text).catch(() => {}), '')
  await page.keyboard.insertText(`# edited ${unique}\n${beforeIt.published_source}`)
  await page.locator('[data-flow-problem]').first().waitFor({ state: 'detached' })
  await page.keyboard.press('Control+s')
  await page.waitForFunction(() => document.querySelector('[data-save-draft]').disabled)
  await page.getByRole('tab', { name: 'Changes' }).click()
  await page.locator('[data-flow-diff] .cm-content', { hasText: `edited ${unique}` }).waitFor()
  await shot(page, 'flow-diff')
  await page.locator('[data-publish]').click()
  await page.fill('input[name=comment]', `Test ${unique}`)
  await page.locator('[data-confirm-publish]').click()
  await page.getByRole('tab', { name: 'Versions' }).click()
  const versions = page.locator('[data-flow-versions] li')
  await versions.first().filter({ hasText: `Test ${unique}` }).waitFor()
  await versions.nth(1).getByRole('button').click()
  await page.locator('[data-rollback]').click()
  await versions.first().filter({ hasText: 'Roll back' }).waitFor()
  assert.equal((await api(page, 'GET', `/flows/${name}`)).published_source, beforeIt.published_source)
  await shot(page, 'flow-versions')
  await done(page)
})

// A second of 440 Hz, 8 kHz mono.
function tone() {
  const n = 8000
  const wav = Buffer.alloc(44 + n * 2)
  wav.write('RIFF', 0)
  wav.writeUInt32LE(36 + n * 2, 4)
  wav.write('WAVEfmt ', 8)
  wav.writeUInt32LE(16, 16)
  wav.writeUInt16LE(1, 20)
  wav.writeUInt16LE(1, 22)
  wav.writeUInt32LE(8000, 24)
  wav.writeUInt32LE(16000, 28)
  wav.writeUInt16LE(2, 32)
  wav.writeUInt16LE(16, 34)
  wav.write('data', 36)
  wav.writeUInt32LE(n * 2, 40)
  for (let i = 0; i < n; i++) wav.writeInt16LE(Math.round(12000 * Math.sin((2 * Math.PI * 440 * i) / 8000)), 44 + i * 2)
  return wav
}

test('a prompt is spoken, saved, and replaced by a recording; what is no WAV is refused at once', async () => {
  const page = await inside('/setup/prompts')
  await page.getByRole('button', { name: 'New prompt' }).click()
  const name = `test-${unique}`
  await page.fill('input[name=prompt_name]', name)
  const en = page.locator('[data-prompt=en]')
  await en.locator('textarea').fill('Good morning. This is a test.')
  const spoken = page.waitForResponse((r) => r.url().endsWith('/prompts/speak'))
  await en.locator('[data-speak]').click()
  const voice = await spoken
  assert.equal(voice.status(), 200)
  assert.match(voice.headers()['content-type'], /audio\/(x-)?wav/)
  await en.locator('[data-save]').click()
  await en.locator('[data-listen]').waitFor()
  const zh = page.locator('[data-prompt=zh-CN]')
  await zh.locator('input[type=file]').setInputFiles({ name: 'not.wav', mimeType: 'audio/wav', buffer: Buffer.from('this is no audio at all') })
  await zh.locator('[data-field-error]').waitFor()
  await zh.locator('input[type=file]').setInputFiles({ name: 'tone.wav', mimeType: 'audio/wav', buffer: tone() })
  await zh.locator('[data-listen]').waitFor()
  await shot(page, 'prompt')
  const rows = (await api(page, 'GET', '/prompts')).items.filter((p) => p.name === name)
  assert.deepEqual(rows.map((p) => `${p.language} ${p.kind}`).sort(), ['en speech', 'zh-CN audio'])
  for (const p of rows) await api(page, 'DELETE', `/prompts/${name}/${p.language}`)
  await done(page)
})

test('a trunk with a bad address is refused at its field, mended, saved and deleted', async () => {
  const page = await inside('/setup/trunks/new')
  await page.fill('input[name=name]', `test-${unique}`)
  await page.fill('textarea[name=match_addresses]', '203.0.113.0/24\n300.1.2.3/99')
  await page.locator('[data-save]').click()
  const field = page.locator('textarea[name=match_addresses]')
  await page.locator('textarea[name=match_addresses][aria-invalid=true]').waitFor()
  const id = await field.getAttribute('aria-describedby')
  assert.match(await page.locator(`[id="${id}"]`).innerText(), /300\.1\.2\.3/)
  await shot(page, 'trunk-refused')
  await field.fill('203.0.113.0/24')
  await page.keyboard.press('Control+s')
  await page.waitForURL(/\/setup\/trunks\/[0-9a-f-]{36}$/)
  await page.getByRole('button', { name: 'Delete' }).click()
  await page.keyboard.press('Control+Enter')
  await page.waitForURL(/\/setup\/trunks$/)
  await done(page)
})

test('language and theme change at once and stay', async () => {
  const page = await inside('/profile')
  await page.selectOption('select[name=locale]', 'zh-CN')
  await page.locator('[data-save-profile]').click()
  await page.locator('h1', { hasText: '我的' }).waitFor()
  assert.equal(await page.getAttribute('html', 'lang'), 'zh-CN')
  await page.getByRole('radio', { name: '深色' }).click()
  assert.equal(await page.getAttribute('html', 'data-theme'), 'dark')
  await page.reload()
  await page.locator('h1', { hasText: '我的' }).waitFor()
  assert.equal(await page.getAttribute('html', 'data-theme'), 'dark')
  await shot(page, 'profile-dark-zh')
  await page.selectOption('select[name=locale]', 'en')
  await page.keyboard.press('Control+s')
  await page.locator('h1', { hasText: 'Profile' }).waitFor()
  await done(page)
})

test('the keyboard alone: list, ticket, back, palette, keys, pages', async () => {
  const page = await inside('/tickets?state=all')
  await page.getByRole('row').nth(1).waitFor()
  await page.keyboard.press('j')
  await page.keyboard.press('Enter')
  await page.waitForURL(/\/tickets\/\d+$/)
  await page.keyboard.press('u')
  await page.waitForURL(/\/tickets(\?|$)/)
  await page.keyboard.press('Control+k')
  await page.getByRole('combobox').waitFor()
  await page.keyboard.type(String(heard?.ticket ?? 1001))
  await page.getByRole('option').first().waitFor()
  await shot(page, 'palette')
  await page.keyboard.press('Enter')
  await page.waitForURL(/\/tickets\/\d+$/)
  await page.keyboard.press('?')
  await page.getByRole('dialog').waitFor()
  await shot(page, 'keys')
  await page.keyboard.press('Escape')
  await page.getByRole('dialog').waitFor({ state: 'detached' })
  for (const [keys, url] of [['gl', /\/calls$/], ['gc', /\/customers$/], ['gk', /\/tasks$/], ['gf', /\/setup\/flows$/], ['gr', /\/setup\/trunks$/], ['gt', /\/tickets$/]]) {
    for (const key of keys) await page.keyboard.press(key)
    await page.waitForURL(url)
  }
  await page.keyboard.press('/')
  await page.keyboard.type('nobody-has-this-name')
  await page.waitForURL(/q=nobody/)
  await page.getByText('No ticket fits').waitFor()
  await done(page)
})

test('a customer gets a number and loses it, a ticket its category', async () => {
  const page = await inside('/tickets')
  const made = await api(page, 'POST', '/tickets', { subject: `Category ${unique}` })
  await page.goto(`/tickets/${made.number}`)
  await page.locator('[data-category]').waitFor()
  await page.keyboard.press('Shift+C')
  await page.fill('input[name=category]', `Billing ${unique}`)
  await page.keyboard.press('Enter')
  await page.locator('[data-category]', { hasText: `Billing ${unique}` }).waitFor()
  assert.equal((await api(page, 'GET', `/tickets/${made.number}`)).category, `Billing ${unique}`)
  const party = await api(page, 'POST', '/parties', { name: `Customer ${unique}` })
  await page.goto(`/customers/${party.id}`)
  await page.getByRole('heading', { name: `Customer ${unique}` }).waitFor()
  await page.keyboard.press('Shift+L')
  await page.fill('input[name=link_phone]', 'no number')
  await page.locator('[data-link]').click()
  await page.locator('[data-field-error]').waitFor()
  const number = `+86139${String(Date.now()).slice(-8)}`
  await page.fill('input[name=link_phone]', number)
  await page.locator('[data-link]').click()
  const row = page.locator(`[data-identity="${number}"]`)
  await row.waitFor() // the answer to the link has been read: the next one is the level's
  const saved = page.waitForResponse((r) => r.request().method() === 'POST' && r.url().endsWith('/identities'))
  await row.locator('select').selectOption('verified')
  assert.equal((await (await saved).json()).identities[0].level, 'verified')
  await shot(page, 'customer')
  await row.locator('[data-unlink]').click()
  await page.getByRole('dialog').getByRole('button', { name: 'Unlink' }).click()
  await row.waitFor({ state: 'detached' })
  assert.deepEqual((await api(page, 'GET', `/parties/${party.id}`)).identities, [])
  await done(page)
})

test('an account is given another role and a new password, is disabled, and the last admin stays', async () => {
  const page = await inside('/tickets')
  const login = `moved-${unique}`
  const { id } = await api(page, 'POST', '/accounts', { login, name: 'Moved Person', password: `correct horse ${unique}`, role: 'agent', locale: 'en', timezone: 'Asia/Shanghai' })
  const account = async () => (await api(page, 'GET', '/accounts')).items.find((a) => a.id === id)
  await page.goto('/setup/accounts')
  await page.locator(`[data-edit="${login}"]`).click()
  await page.selectOption('select[name=account_role]', 'engineer')
  await page.locator('[data-save]').click()
  await page.getByRole('dialog').waitFor({ state: 'detached' })
  assert.equal((await account()).role, 'engineer')
  await page.locator(`[data-edit="${login}"]`).click()
  await page.locator('[data-reset]').click()
  await page.keyboard.press('Control+Enter')
  const password = await page.locator('[data-new-password]').innerText()
  const person = await open(browser)
  await logIn(person, { login, password })
  await done(person)
  await page.keyboard.press('Escape')
  await page.locator(`[data-edit="${login}"]`).click()
  await page.locator('input[name=account_disabled]').check()
  await page.keyboard.press('Control+s')
  await page.getByRole('dialog').waitFor({ state: 'detached' })
  assert.equal((await account()).disabled, true)
  const admins = (await api(page, 'GET', '/accounts')).items.filter((a) => a.role === 'admin' && !a.disabled)
  if (admins.length === 1) {
    await page.locator(`[data-edit="${admins[0].login}"]`).click()
    await page.selectOption('select[name=account_role]', 'agent')
    await page.locator('[data-save]').click()
    await page.locator('[data-field-error]', { hasText: 'last admin' }).waitFor()
  }
  await shot(page, 'account')
  await done(page)
})

test('at 390 px nothing is wider than the screen, and a ticket can be read and answered', async () => {
  const page = await inside('/tickets?state=all', { width: 390, height: 844 })
  for (const path of ['/tickets?state=all', `/tickets/${heard?.ticket ?? 1001}`, heard ? `/calls/${heard.id}` : '/calls', '/calls', '/tasks', '/customers', '/setup/flows', '/setup/hours', '/setup/trunks/new', '/setup/system', '/profile']) {
    await page.goto(path)
    await page.locator('h1').first().waitFor()
    await page.waitForLoadState('networkidle')
    assert.ok(await noScroll(page), `${path} is wider than the screen`)
  }
  await shot(page, 'phone')
  await done(page)
})

test('the server away: the console says so, keeps what was typed, and goes on when it is back', async () => {
  assert.ok(heard)
  const page = await inside(`/tickets/${heard.ticket}`)
  const note = page.locator('textarea[name=note]')
  await note.fill(`half a thought ${unique}`)
  await page.route(`${base}/api/**`, (route) => route.abort())
  await page.keyboard.press('Control+Enter')
  await page.getByRole('alert').first().waitFor()
  assert.equal(await note.inputValue(), `half a thought ${unique}`)
  await shot(page, 'offline')
  await page.unroute(`${base}/api/**`)
  await page.getByText('The server cannot be reached. Trying again').waitFor({ state: 'detached' })
  page.faults = page.faults.filter((f) => !/ERR_FAILED|Failed to fetch/.test(f))
  await done(page)
})

test('an agent sees no set-up, no ladder and no download', async () => {
  const admin = await inside('/tickets')
  const login = `agent-${unique}`
  const { id } = await api(admin, 'POST', '/accounts', { login, name: 'Test Agent', password: `correct horse ${unique}`, role: 'agent', locale: 'en', timezone: 'Asia/Shanghai' })
  await api(admin, 'PUT', `/agents/${id}`, { queues: ['support'], skills: {} }) // whose calls they see
  await admin.context().close()
  const page = await open(browser)
  await logIn(page, { login, password: `correct horse ${unique}` })
  assert.equal(await page.getByRole('link', { name: 'Set-up' }).count(), 0)
  await page.goto('/setup/trunks')
  await page.getByRole('heading', { name: 'There is no such page' }).waitFor()
  if (heard) {
    await page.goto(`/calls/${heard.id}`)
    await page.locator('[data-player]').first().waitFor()
    assert.equal(await page.getByRole('link', { name: 'Download' }).count(), 0)
    assert.equal(await page.getByText('SIP ladder').count(), 0)
  }
  await done(page)
})
