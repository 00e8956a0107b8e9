import { createRouter, createWebHistory, type RouteLocationNormalized } from 'vue-router'
import { useSession } from '@/stores/session'
import { setupPlaces } from '@/lib/nav'
import { whenExpired } from '@/api/client'
import type { Ability } from '@/lib/can'

declare module 'vue-router' {
  interface RouteMeta {
    open?: boolean // no login needed
    needs?: Ability
  }
}
const telephony = { needs: 'setup.read' as const }

export const router = createRouter({
  history: createWebHistory(),
  routes: [
    { path: '/', name: 'home', component: () => import('./pages/MissingPage.vue'), beforeEnter: () => ({ name: useSession().rights.agent ? 'desk' : 'tickets' }) },
    { path: '/login', name: 'login', component: () => import('./pages/LoginPage.vue'), meta: { open: true } },
    { path: '/desk/:number(\\d+)?', name: 'desk', component: () => import('./pages/DeskPage.vue') },
    { path: '/tickets', name: 'tickets', component: () => import('./pages/TicketsPage.vue') },
    { path: '/tickets/:number(\\d+)', name: 'ticket', component: () => import('./pages/TicketPage.vue') },
    { path: '/tasks', name: 'tasks', component: () => import('./pages/TasksPage.vue') },
    { path: '/calls', name: 'calls', component: () => import('./pages/CallsPage.vue') },
    { path: '/calls/:id', name: 'call', component: () => import('./pages/CallPage.vue') },
    { path: '/board', name: 'board', component: () => import('./pages/BoardPage.vue'), meta: { needs: 'board.read' } },
    { path: '/mentions', name: 'mentions', component: () => import('./pages/MentionsPage.vue') },
    { path: '/customers', name: 'customers', component: () => import('./pages/CustomersPage.vue') },
    { path: '/customers/:id', name: 'customer', component: () => import('./pages/CustomerPage.vue') },
    { path: '/profile', name: 'profile', component: () => import('./pages/ProfilePage.vue') },
    {
      path: '/setup',
      component: () => import('./pages/setup/SetupFrame.vue'),
      meta: { needs: 'queues.write' },
      children: [
        { path: '', name: 'setup', redirect: () => ({ name: setupPlaces.find((p) => !p.needs || useSession().can(p.needs))?.name ?? 'tickets' }) },
        { path: 'flows', name: 'flows', component: () => import('./pages/setup/FlowsPage.vue'), meta: telephony },
        { path: 'flows/:name', name: 'flow', component: () => import('./pages/setup/FlowPage.vue'), meta: telephony },
        { path: 'prompts', name: 'prompts', component: () => import('./pages/setup/PromptsPage.vue'), meta: telephony },
        { path: 'hours', name: 'hours', component: () => import('./pages/setup/HoursListPage.vue'), meta: telephony },
        { path: 'hours/:name', name: 'hoursOne', component: () => import('./pages/setup/HoursPage.vue'), meta: telephony },
        { path: 'queues', name: 'queues', component: () => import('./pages/setup/QueuesPage.vue') },
        { path: 'queues/:name', name: 'queue', component: () => import('./pages/setup/QueuePage.vue') },
        { path: 'numbers', name: 'numbers', component: () => import('./pages/setup/NumbersPage.vue'), meta: telephony },
        { path: 'trunks', name: 'trunks', component: () => import('./pages/setup/TrunksPage.vue'), meta: telephony },
        { path: 'trunks/:id', name: 'trunk', component: () => import('./pages/setup/TrunkPage.vue'), meta: telephony },
        { path: 'asterisks', name: 'asterisks', component: () => import('./pages/setup/AsterisksPage.vue'), meta: telephony },
        { path: 'agents', name: 'agents', component: () => import('./pages/setup/AgentsPage.vue'), meta: { needs: 'agents.read' } },
        { path: 'teams', name: 'teams', component: () => import('./pages/setup/TeamsPage.vue'), meta: { needs: 'agents.write' } },
        { path: 'skills', name: 'skills', component: () => import('./pages/setup/SkillsPage.vue') },
        { path: 'pause-reasons', name: 'reasons', component: () => import('./pages/setup/ReasonsPage.vue') },
        { path: 'wrap-codes', name: 'codes', component: () => import('./pages/setup/CodesPage.vue') },
        { path: 'routes', name: 'routes', component: () => import('./pages/setup/RoutesPage.vue'), meta: telephony },
        { path: 'routes/:id', name: 'route', component: () => import('./pages/setup/RoutePage.vue'), meta: telephony },
        { path: 'accounts', name: 'accounts', component: () => import('./pages/setup/AccountsPage.vue'), meta: { needs: 'accounts.manage' } },
        { path: 'tokens', name: 'tokens', component: () => import('./pages/setup/TokensPage.vue'), meta: { needs: 'accounts.manage' } },
        { path: 'audit', name: 'audit', component: () => import('./pages/setup/AuditPage.vue'), meta: { needs: 'audit.read' } },
        { path: 'system', name: 'system', component: () => import('./pages/setup/SystemPage.vue'), meta: { needs: 'setup.read' } },
      ],
    },
    { path: '/:rest(.*)*', name: 'missing', component: () => import('./pages/MissingPage.vue') },
  ],
})

/** Only a path of our own may follow a login: never another site. */
export function safeNext(next: unknown): string {
  return typeof next === 'string' && /^\/(?![/\\])/.test(next) && !next.startsWith('/login') ? next : '/'
}

router.beforeEach(async (to: RouteLocationNormalized) => {
  const session = useSession()
  if (to.meta.open) return true
  try {
    if (!(await session.restore())) return { name: 'login', query: { next: to.fullPath } }
  } catch {
    return true // the server is away: the page says so and tries again
  }
  if (to.meta.needs && !session.can(to.meta.needs)) return { name: 'missing', params: { rest: to.path.slice(1).split('/') } }
  return true
})

whenExpired(() => {
  const session = useSession()
  if (!session.account) return
  session.forget()
  void router.push({ name: 'login', query: { next: router.currentRoute.value.fullPath, expired: '1' } })
})
