// Screenshots of every page: node shots.mjs [name …]; widths, themes and languages by SHOTS="1440,390 light,dark en,zh-CN".
import { api, launch, logIn, open, shot } from './house.mjs'

const [widths, themes, locales] = (process.env.SHOTS ?? '1440,390 light,dark en,zh-CN').split(' ').map((s) => s.split(','))
const wanted = process.argv.slice(2)
const browser = await launch()
const first = await open(browser)
await first.goto('/login')
await logIn(first)
const storage = await first.context().storageState()

const tickets = (await api(first, 'GET', '/tickets?limit=50')).items
const calls = (await api(first, 'GET', '/calls?limit=50')).items
const heard = calls.find((c) => c.result === 'voicemail') ?? calls[0]
const party = tickets.find((t) => t.party)?.party
const trunk = (await api(first, 'GET', '/trunks')).items[0]
const byAsterisk = (await api(first, 'GET', '/trunks')).items.find((t) => t.settings.edge === 'asterisk')
const route = (await api(first, 'GET', '/outbound-routes')).items[0]
const flow = (await api(first, 'GET', '/flows')).items[0]
const pages = {
  tickets: '/tickets', ticket: heard && `/tickets/${heard.ticket}`, tasks: '/tasks', calls: '/calls', call: heard && `/calls/${heard.id}`, customers: '/customers',
  customer: party && `/customers/${party.id}`, flows: '/setup/flows', flow: flow && `/setup/flows/${flow.name}`, prompts: '/setup/prompts', hours: '/setup/hours',
  hoursOne: '/setup/hours/office', queues: '/setup/queues', queue: '/setup/queues/support', board: '/board', mentions: '/mentions', agents: '/setup/agents', teams: '/setup/teams', skills: '/setup/skills', reasons: '/setup/pause-reasons', codes: '/setup/wrap-codes', routes: '/setup/routes', route: route && `/setup/routes/${route.id}`, numbers: '/setup/numbers', trunks: '/setup/trunks', asterisks: '/setup/asterisks', byAsterisk: byAsterisk && `/setup/trunks/${byAsterisk.id}`, trunk: trunk && `/setup/trunks/${trunk.id}`,
  accounts: '/setup/accounts', tokens: '/setup/tokens', audit: '/setup/audit', system: '/setup/system', profile: '/profile', missing: '/nothing-here',
}
const faults = []
for (const locale of locales) {
  await api(first, 'PATCH', '/session/account', { locale })
  for (const width of widths) {
    for (const theme of themes) {
      const page = await open(browser, { width: Number(width), height: Number(width) > 600 ? 900 : 844, theme, storage })
      for (const [name, path] of Object.entries(pages)) {
        if (!path || (wanted.length && !wanted.includes(name))) continue
        await page.goto(path, { waitUntil: 'load' })
        await page.waitForTimeout(700)
        await shot(page, `${name}-${width}-${theme}-${locale}`)
        const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)
        if (wide > 0) faults.push(`${name} ${width}: ${wide} px too wide`)
      }
      if (!wanted.length || wanted.includes('login')) {
        const out = await open(browser, { width: Number(width), theme, locale })
        await out.goto('/login')
        await shot(out, `login-${width}-${theme}-${locale}`)
        await out.context().close()
      }
      faults.push(...page.faults)
      await page.context().close()
    }
  }
}
await api(first, 'PATCH', '/session/account', { locale: 'en' })
await browser.close()
if (faults.length) {
  console.error([...new Set(faults)].join('\n'))
  process.exit(1)
}
