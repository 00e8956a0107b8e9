// A flow's nodes as a tree that reads from the top: each node below the one that leads to it first, later ways to it as references.
import type { OutlineNode } from '@/api/types'

export interface TreeRow {
  key: string
  node: OutlineNode | undefined // undefined: a way to a node that is not there
  to: string
  on: string // the way that leads here, "" for the start
  depth: number
  reference: boolean // the node is drawn elsewhere
  loose: boolean // nothing leads here
}

export function treeOf(outline: OutlineNode[]): TreeRow[] {
  const byId = new Map(outline.map((n) => [n.id, n]))
  const drawn = new Set<string>()
  const rows: TreeRow[] = []
  const led = new Set(outline.flatMap((n) => (n.next ?? []).map((w) => w.to)))

  function visit(id: string, on: string, depth: number, path: string, loose: boolean): void {
    const node = byId.get(id)
    const reference = drawn.has(id)
    rows.push({ key: path, node, to: id, on, depth, reference, loose })
    if (!node || reference) return
    drawn.add(id)
    ;(node.next ?? []).forEach((way, i) => visit(way.to, way.on, depth + 1, `${path}/${i}.${way.to}`, false))
  }
  outline.forEach((n, i) => {
    if (!drawn.has(n.id)) visit(n.id, '', 0, n.id, i > 0 && !led.has(n.id))
  })
  return rows
}
