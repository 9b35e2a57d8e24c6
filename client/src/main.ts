import './zod.ts'
import { mount } from 'svelte'
import './tokens.css'
import './app.css'
import './styles/forms.css'
import './ui/theme.svelte.ts'
import App from './App.svelte'

const target = document.getElementById('app')
if (!target) throw new Error('index.html has no #app')
mount(App, { target })
