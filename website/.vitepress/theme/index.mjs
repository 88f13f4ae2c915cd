import DefaultTheme, { VPHomeFeatures, VPHomeHero } from 'vitepress/theme'
import { h } from 'vue'
import './style.css'

/** The first page. VitePress's own has no `<main>`, by which screen readers find what a page is about. */
const Landing = () => h('main', { class: 'landing' }, [h(VPHomeHero), h(VPHomeFeatures)])

export default {
  extends: DefaultTheme,
  enhanceApp: ({ app }) => app.component('Landing', Landing),
}
