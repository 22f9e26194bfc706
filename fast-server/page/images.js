import { html } from "./vendor/lit-html.js";
import { progressCard } from "./progress.js";
import { dropCard, uploadCard } from "./upload_view.js";

export const images = () => html`${dropCard()}${uploadCard()}${progressCard()}`;
