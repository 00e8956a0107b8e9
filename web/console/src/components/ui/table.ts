export interface Sorting {
  key: string
  down: boolean
}
export interface Column {
  key: string
  label: string // none over a row's buttons
  width: string // a track of a CSS grid: "80px", "minmax(0,1fr)"
  align?: 'right'
  from?: number // hidden when the list is narrower than this many pixels
  link?: boolean
  sort?: boolean // its heading sorts
  title?: string // of the heading
  class?: string
}
