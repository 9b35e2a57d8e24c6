/** History routing. Plain links work: a click on one is turned into a change of page here. */
import { pageOf, type Page } from './ledger/address.ts'

let path = $state(location.pathname)

export const router = {
  get page(): Page {
    return pageOf(path)
  },
  get path(): string {
    return path
  },
}

export function navigate(to: string): void {
  if (to === location.pathname) return
  history.pushState(null, '', to)
  path = to
  scrollTo(0, 0)
}

/** A page change that leaves no way back to this page: its address is gone from the history. */
export function replaceWith(to: string): void {
  history.replaceState(null, '', to)
  path = to
  scrollTo(0, 0)
}

/** A page change after something awaited: it doesn't carry away somebody who has left `from` meanwhile. */
export function navigateFrom(from: string, to: string): void {
  if (path === from) navigate(to)
}

addEventListener('popstate', () => {
  path = location.pathname
})

document.addEventListener('click', (click) => {
  if (click.defaultPrevented || click.button !== 0 || click.metaKey || click.ctrlKey || click.shiftKey || click.altKey)
    return
  const link = click.target instanceof Element ? click.target.closest('a') : null
  if (!link || link.origin !== location.origin || link.target || link.download || link.pathname.startsWith('/api/'))
    return
  if (link.hash && link.pathname === location.pathname) return
  click.preventDefault()
  navigate(link.pathname)
})
