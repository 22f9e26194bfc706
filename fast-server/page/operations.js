import { html } from "./vendor/lit-html.js";

export const operations = () => html`<h1>Operations</h1>`;
