// A page that edits one thing of the set-up: loaded by its id, compared with what was taken, saved under its version, deleted.
import { computed, nextTick, ref, watch, type Ref } from 'vue'
import { useI18n } from 'vue-i18n'
import { useRoute, useRouter, type RouteLocationRaw } from 'vue-router'
import { useToasts } from '@/stores/toasts'
import { useLeaveGuard } from './leave'
import { useOne } from './load'
import { useProblems } from './problems'

export interface Editing<Value extends { version: number }, Form> {
  param: string // of the route; "new" is a thing that is not there yet
  blank: () => Value
  load: (id: string) => Promise<Value>
  form: (value: Value) => Form
  save: (form: Form, id: string | null, version: number, before: Value | null) => Promise<Value>
  remove: (id: string, version: number) => Promise<void>
  paths: string[] // which the form has a place for
  place: (value: Value) => RouteLocationRaw // its page
  list: RouteLocationRaw // the page of all of them
  changed?: () => unknown // lists that name it are out of date
}

export function useEditor<Value extends { version: number }, Form>(e: Editing<Value, Form>) {
  const { t } = useI18n()
  const route = useRoute()
  const router = useRouter()
  const toasts = useToasts()
  const id = computed(() => String(route.params[e.param]))
  const isNew = computed(() => id.value === 'new')
  const one = useOne(() => (isNew.value ? Promise.resolve(e.blank()) : e.load(id.value)), () => id.value)
  const form = ref(null) as Ref<Form | null>
  const taken = ref('') // the form as it was loaded or saved
  const version = ref(0)
  const busy = ref(false)
  const removing = ref(false)
  const problems = useProblems(e.paths)
  const dirty = computed(() => form.value !== null && JSON.stringify(form.value) !== taken.value)
  const changedElsewhere = computed(() => !isNew.value && one.data.value !== null && one.data.value.version !== version.value)
  useLeaveGuard(dirty)

  function take(value: Value): void {
    form.value = e.form(value)
    taken.value = JSON.stringify(form.value)
    version.value = value.version
  }
  watch(one.data, (value) => value && !dirty.value && take(value))

  async function save(): Promise<void> {
    if (form.value === null || busy.value) return
    busy.value = true
    problems.clear()
    try {
      const saved = await e.save(form.value, isNew.value ? null : id.value, version.value, one.data.value)
      take(saved)
      void e.changed?.()
      toasts.ok(t('common.saved'))
      if (isNew.value) await router.replace(e.place(saved))
      else await one.reload(true)
    } catch (error) {
      problems.take(error)
      if (problems.conflict.value && !isNew.value) await one.reload(true)
      await nextTick()
      document.querySelector('[data-editor] :is([aria-invalid="true"], [data-field-error])')?.scrollIntoView({ block: 'center' })
    }
    busy.value = false
  }
  async function remove(): Promise<void> {
    busy.value = true
    try {
      await e.remove(id.value, version.value)
      taken.value = JSON.stringify(form.value)
      void e.changed?.()
      toasts.ok(t('common.deleted'))
      await router.push(e.list)
    } catch (error) {
      problems.take(error)
      toasts.failed(error)
    }
    busy.value = false
    removing.value = false
  }
  function takeTheirs(): void {
    if (one.data.value) take(one.data.value)
    problems.clear()
  }
  function keepMine(): void {
    if (one.data.value) version.value = one.data.value.version
  }
  return { id, isNew, one, form, busy, removing, problems, dirty, changedElsewhere, save, remove, takeTheirs, keepMine }
}

/** What a page hands to EditorPage. */
export type Editor = Omit<ReturnType<typeof useEditor<{ version: number }, unknown>>, 'form' | 'one'> & { form: Ref<unknown>; one: { error: Ref<unknown>; reload: (quiet?: boolean) => Promise<void> } }
