// The portal in headless Chromium, as people use it: by the names of pages, cards, fields and buttons.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Page } from './devtools.mjs';

// With PORTAL_SHOTS=FOLDER pictures of pages are written: wide, dark and as on a phone.
const shots = process.env.PORTAL_SHOTS;
const looks = [['wide', 1280, 860, false, 'light'], ['dark', 1280, 860, false, 'dark'], ['phone', 390, 844, true, 'light']];

export class Portal {
  /** Opens the page at an admin address. */
  static async open(admin) {
    const portal = new Portal();
    portal.page = await Page.open(`${admin}/`);
    return portal;
  }

  run(...args) { return this.page.run(...args); }

  until(...args) { return this.page.until(...args); }

  call(...args) { return this.page.call(...args); }

  close() { return this.page.close(); }

  text() { return this.run(() => document.body.innerText); }

  async shows(...words) {
    try {
      await this.until(`the page shows ${words.join(', ')}`, (all) => all.every((word) => document.body?.innerText.includes(word)), words);
    } catch (error) {
      const text = await this.run(() => document.body?.innerText.replace(/\s+/g, ' ').slice(0, 1000)).catch(() => 'nothing');
      throw new Error(`${error.message}; it shows: ${text}`);
    }
  }

  async login(token) {
    await this.type('', 'Admin token', token);
    await this.click('', 'Log in');
  }

  async go(name, query = '') {
    await this.run((hash) => { location.hash = hash; }, `#/${name}${query}`);
    await this.until(`the page ${name}`, (to) => document.querySelector('nav a[aria-current]')?.hash === to, `#/${name}`);
  }

  /** Clicks the button, of the card with the title, that has the text. */
  click(title, words) {
    return this.until(`the button ${words}`, (card, label) => {
      const where = card ? [...document.querySelectorAll('.card')].find((c) => c.querySelector('h2')?.textContent === card) : document;
      const button = [...(where?.querySelectorAll('button:not(:disabled)') ?? [])].find((b) => b.textContent.trim() === label || b.getAttribute('aria-label') === label);
      button?.click();
      return Boolean(button);
    }, title, words);
  }

  confirm() {
    return this.until('the question', () => {
      const yes = document.querySelector('dialog[open] button.danger');
      yes?.click();
      return Boolean(yes);
    });
  }

  /** Types into a field, of the card with the title, that is named so by its label. */
  type(title, label, value) {
    return this.until(`the field ${label}`, (card, name, to) => {
      const where = [...document.querySelectorAll('.card, .login')].find((c) => !card || c.querySelector('h2')?.textContent === card);
      const field = [...(where?.querySelectorAll('label') ?? [])].find((l) => l.textContent === name);
      const input = field && document.getElementById(field.htmlFor);
      if (!input) return false;
      Object.getOwnPropertyDescriptor(Object.getPrototypeOf(input), 'value').set.call(input, to);
      for (const event of ['input', 'change']) input.dispatchEvent(new Event(event, { bubbles: true }));
      return true;
    }, title, label, value);
  }

  /** Runs with the page as wide as a phone. */
  async onAPhone(run) {
    await this.call('Emulation.setDeviceMetricsOverride', { width: 360, height: 740, deviceScaleFactor: 2, mobile: true });
    await run();
    await this.call('Emulation.clearDeviceMetricsOverride');
  }

  async shoot(name) {
    if (!shots) return;
    mkdirSync(shots, { recursive: true });
    for (const [kind, width, height, mobile, scheme] of looks) {
      await this.call('Emulation.setEmulatedMedia', { features: [{ name: 'prefers-color-scheme', value: scheme }] });
      // What is below the window is not drawn: the window has all of the page.
      for (let whole = height, had = 0; whole > had; had = whole, whole = Math.max(whole, await this.run(() => document.documentElement.scrollHeight))) {
        await this.call('Emulation.setDeviceMetricsOverride', { width, height: whole, deviceScaleFactor: 1, mobile });
        await new Promise((resolve) => setTimeout(resolve, 300));
      }
      const { data } = await this.call('Page.captureScreenshot', { format: 'png' });
      writeFileSync(join(shots, `${name}-${kind}.png`), Buffer.from(data, 'base64'));
    }
    await this.call('Emulation.setEmulatedMedia', { features: [] });
    await this.call('Emulation.clearDeviceMetricsOverride');
  }
}
