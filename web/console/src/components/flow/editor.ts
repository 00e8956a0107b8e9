// CodeMirror for flow files. It lives in a shadow root: there its styles are adopted sheets, which the content security policy allows.
import { defaultKeymap, history, historyKeymap, indentWithTab } from '@codemirror/commands'
import { yaml } from '@codemirror/lang-yaml'
import { bracketMatching, HighlightStyle, indentOnInput, syntaxHighlighting } from '@codemirror/language'
import { lintGutter, setDiagnostics, type Diagnostic } from '@codemirror/lint'
import { unifiedMergeView } from '@codemirror/merge'
import { highlightSelectionMatches, search, searchKeymap } from '@codemirror/search'
import { EditorState, type Extension } from '@codemirror/state'
import { drawSelection, EditorView, highlightActiveLine, highlightActiveLineGutter, keymap, lineNumbers } from '@codemirror/view'
import { tags } from '@lezer/highlight'

export interface Mark {
  line: number
  message: string
}

const theme = EditorView.theme({
  '&': { height: '100%', color: 'var(--ink)', backgroundColor: 'var(--surface)', fontSize: '12.5px' },
  '&.cm-focused': { outline: 'none' },
  '.cm-scroller': { fontFamily: 'ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", "Noto Sans Mono CJK SC", monospace', lineHeight: '20px' },
  '.cm-gutters': { backgroundColor: 'var(--surface)', color: 'var(--ink-3)', border: 'none', borderRight: '1px solid var(--line)' },
  '.cm-activeLine': { backgroundColor: 'color-mix(in srgb, var(--hover) 60%, transparent)' },
  '.cm-activeLineGutter': { backgroundColor: 'var(--hover)', color: 'var(--ink)' },
  '.cm-cursor': { borderLeftColor: 'var(--ink)' },
  '&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground': { backgroundColor: 'color-mix(in srgb, var(--accent) 28%, transparent) !important' },
  '.cm-lintRange-error': { backgroundImage: 'none', textDecoration: 'underline wavy var(--alarm)', textUnderlineOffset: '3px' },
  '.cm-tooltip': { backgroundColor: 'var(--raised)', border: '1px solid var(--line)', borderRadius: '6px', color: 'var(--ink)', maxWidth: '420px' },
  '.cm-diagnostic-error': { borderLeft: '3px solid var(--alarm)' },
  '.cm-panels': { backgroundColor: 'var(--raised)', color: 'var(--ink)', borderColor: 'var(--line)' },
  '.cm-panel input, .cm-panel button': { color: 'var(--ink)', backgroundColor: 'var(--surface)', backgroundImage: 'none', border: '1px solid var(--line)', borderRadius: '4px' },
  '.cm-insertedLine, &.cm-merge-b .cm-changedLine': { backgroundColor: 'var(--ok-bg) !important' },
  '.cm-deletedChunk': { backgroundColor: 'var(--alarm-bg) !important' },
  '&.cm-merge-b .cm-changedText': { background: 'color-mix(in srgb, var(--ok) 25%, transparent) !important' },
  '.cm-deletedChunk .cm-deletedText': { background: 'color-mix(in srgb, var(--alarm) 25%, transparent) !important' },
  '.cm-collapsedLines': { background: 'var(--hover) !important', color: 'var(--ink-2) !important' },
})
const colours = HighlightStyle.define([
  { tag: [tags.propertyName, tags.definition(tags.propertyName)], color: 'var(--link)' },
  { tag: [tags.string, tags.special(tags.string)], color: 'var(--ink)' },
  { tag: [tags.number, tags.bool, tags.null, tags.keyword], color: 'var(--talk)' },
  { tag: tags.comment, color: 'var(--ink-3)', fontStyle: 'italic' },
  { tag: [tags.punctuation, tags.separator, tags.operator, tags.meta], color: 'var(--ink-2)' },
])
const shared = (label: string): Extension[] => [
  lineNumbers(), yaml(), syntaxHighlighting(colours), theme, drawSelection(), EditorView.lineWrapping, bracketMatching(),
  EditorState.tabSize.of(2), EditorView.contentAttributes.of({ 'aria-label': label, tabindex: '0' }),
]

export interface Editor {
  set(text: string): void
  mark(marks: Mark[]): void
  goTo(line: number): void
  destroy(): void
}

export function openEditor(root: ShadowRoot, parent: HTMLElement, text: string, label: string, readOnly: boolean, changed: (text: string) => void): Editor {
  const view = new EditorView({
    root,
    parent,
    state: EditorState.create({
      doc: text,
      extensions: [
        ...shared(label), history(), indentOnInput(), highlightActiveLine(), highlightActiveLineGutter(), highlightSelectionMatches(), search({ top: true }), lintGutter(),
        keymap.of([...defaultKeymap, ...searchKeymap, ...historyKeymap, indentWithTab]),
        EditorState.readOnly.of(readOnly),
        EditorView.updateListener.of((u) => u.docChanged && changed(u.state.doc.toString())),
      ],
    }),
  })
  return {
    set(next) {
      if (next !== view.state.doc.toString()) view.dispatch({ changes: { from: 0, to: view.state.doc.length, insert: next } })
    },
    mark(marks) {
      const { doc } = view.state
      const found = marks.map((m): Diagnostic => {
        const line = doc.line(Math.min(doc.lines, Math.max(1, m.line || 1)))
        const from = line.from + (line.text.length - line.text.trimStart().length)
        return { from: Math.min(from, line.to), to: line.to, severity: 'error', message: m.message }
      })
      view.dispatch(setDiagnostics(view.state, found))
    },
    goTo(line) {
      const at = view.state.doc.line(Math.min(view.state.doc.lines, Math.max(1, line)))
      view.dispatch({ selection: { anchor: at.from + (at.text.length - at.text.trimStart().length) }, effects: EditorView.scrollIntoView(at.from, { y: 'center' }) })
      view.focus()
    },
    destroy: () => view.destroy(),
  }
}

/** What `next` changes in `before`, unchanged stretches folded. */
export function openDiff(root: ShadowRoot, parent: HTMLElement, before: string, next: string, label: string): () => void {
  const view = new EditorView({
    root,
    parent,
    state: EditorState.create({
      doc: next,
      extensions: [...shared(label), EditorState.readOnly.of(true), unifiedMergeView({ original: before, mergeControls: false, gutter: true, collapseUnchanged: { margin: 3, minSize: 6 } })],
    }),
  })
  return () => view.destroy()
}
