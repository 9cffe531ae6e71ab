// Every visible text whose contrast with what lies behind it is below WCAG AA, as [ratio, text]
() => {
  const channels = colour => {
    const numbers = colour.match(/[\d.]+/g).map(Number)
    const scale = colour.startsWith('color(') ? 255 : 1
    return [...numbers.slice(0, 3).map(v => v * scale), numbers[3] ?? 1]
  }
  const over = (top, below) => [0, 1, 2].map(i => top[i] * top[3] + below[i] * (1 - top[3]))
  const chain = element => element ? [element, ...chain(element.parentElement)] : []
  const paper = element => chain(element).reverse()
    .reduce((below, e) => over(channels(getComputedStyle(e).backgroundColor), below), [255, 255, 255])
  const luminance = rgb => rgb.map(v => v / 255)
    .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0)
  const faint = element => {
    const style = getComputedStyle(element), below = paper(element), ink = channels(style.color)
    ink[3] *= chain(element).reduce((all, e) => all * getComputedStyle(e).opacity, 1)
    const [dark, light] = [luminance(over(ink, below)), luminance(below)].sort((a, b) => a - b)
    const size = parseFloat(style.fontSize)
    const enough = size >= 24 || (size >= 18.6 && style.fontWeight >= 700) ? 3 : 4.5
    const ratio = (light + 0.05) / (dark + 0.05)
    return ratio < enough ? ratio : 0
  }
  const found = new Map()
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT)
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement, text = walker.currentNode.data.trim()
    if (!text || !element.checkVisibility({ visibilityProperty: true }) || element.closest('svg, script, style')) continue
    const ratio = faint(element)
    if (ratio) found.set(`${ratio.toFixed(2)} ${element.tagName}.${element.className}`, text.slice(0, 60))
  }
  return [...found]
}
