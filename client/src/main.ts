import './zod.ts'
import { mount } from 'svelte'
import './styles/tokens.css'
import './styles/base.css'
import './styles/text.css'
import './styles/layout.css'
import './styles/controls.css'
import './styles/forms.css'
import './styles/tables.css'
import './styles/rendered.css'
import './ui/theme.svelte.ts'
import App from './App.svelte'

const target = document.getElementById('app')
if (!target) throw new Error('index.html has no #app')
mount(App, { target })
