import { defineStore } from 'pinia'
import { computed, ref, shallowRef } from 'vue'
import { api } from '@/api'
import { setCsrf } from '@/api/client'
import type { Account, Session } from '@/api/types'
import { may, type Ability } from '@/lib/can'
import { setLocale } from '@/i18n'

export const useSession = defineStore('session', () => {
  const account = ref<Account | null>(null)
  const rights = shallowRef<Omit<Session, 'account' | 'csrf'>>({})
  const known = ref(false) // whether the server has been asked

  function take(session: Session): void {
    account.value = session.account
    rights.value = { permissions: session.permissions, scope: session.scope, agent: session.agent, unread_mentions: session.unread_mentions }
    setCsrf(session.csrf)
    setLocale(session.account.locale)
  }

  async function restore(): Promise<boolean> {
    if (known.value) return account.value !== null
    try {
      take(await api.session.get())
    } catch (error) {
      account.value = null
      if ((error as { status?: number }).status !== 401) throw error
    }
    known.value = true
    return account.value !== null
  }
  async function login(name: string, password: string): Promise<void> {
    take(await api.session.login(name, password))
    known.value = true
  }
  async function logout(): Promise<void> {
    await api.session.logout().catch(() => {})
    forget()
  }
  function forget(): void {
    account.value = null
    rights.value = {}
    known.value = true
    setCsrf('')
  }
  async function update(change: Record<string, unknown>): Promise<void> {
    const answer = await api.session.update(change)
    if (answer && 'csrf' in answer) take(answer as Session)
    else if (account.value) {
      const { password: _password, ...rest } = change
      account.value = { ...account.value, ...rest }
      setLocale(account.value.locale)
    }
  }
  const can = (ability: Ability): boolean => may(account.value?.role, ability, rights.value.permissions)
  const timeZone = computed(() => account.value?.timezone || Intl.DateTimeFormat().resolvedOptions().timeZone)
  return { account, rights, known, restore, login, logout, forget, update, can, timeZone }
})
