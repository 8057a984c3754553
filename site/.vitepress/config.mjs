// The site of hubgate's documentation: the pages of ../docs as they are, with a sidebar, search and a home page.
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitepress';
import { sidebar, home, neighbours } from './structure.mjs';
import { breakLongNames, forSearch, githubSlug, labelCells, leaveDocs } from './markdown.mjs';

// Pages become components, which import vue. There is no node_modules above ../docs, so it is looked for from here.
const packagesOfPages = {
  name: 'packages-of-pages',
  enforce: 'pre',
  resolveId(id, importer) {
    if (/^vue(\/|$)/.test(id) && importer?.endsWith('.md')) return this.resolve(id, fileURLToPath(import.meta.url), { skipSelf: true });
  },
};

export default defineConfig({
  title: 'hubgate',
  description: 'A gateway for SignalR clients that you run yourself',
  lang: 'en',
  // Where the site will be, with a slash at both ends: SITE_BASE=/help/ site/build
  base: process.env.SITE_BASE || '/',
  srcDir: '../docs',
  outDir: './dist',
  cacheDir: './.cache',
  rewrites: { 'README.md': 'index.md', 'recipes/README.md': 'recipes/index.md' },
  // Pages speak of servers on the reader's machine. Every other link has to lead somewhere.
  ignoreDeadLinks: 'localhostLinks',
  head: [['link', { rel: 'icon', type: 'image/svg+xml', href: 'data:image/svg+xml,' + encodeURIComponent(home.icon) }]],
  markdown: {
    anchor: { slugify: githubSlug },
    languageAlias: { 'nginx-tls': 'nginx' },
    config(md) {
      md.linkify.set({ fuzzyLink: false, fuzzyEmail: false }); // ASP.NET is no address
      md.use(leaveDocs);
      md.use(breakLongNames);
      md.use(labelCells);
    },
  },
  vite: { plugins: [packagesOfPages] },
  transformPageData(page) {
    if (page.relativePath === 'index.md') Object.assign(page, { title: 'hubgate', titleTemplate: false, frontmatter: { ...home.frontmatter, title: 'hubgate', titleTemplate: 'SignalR on your own machines' } });
    Object.assign(page.frontmatter, neighbours('/' + page.relativePath.replace(/(index)?\.md$/, '')));
    // Long lists of names: a page's own heading says more than every name in the outline.
    if (page.relativePath === 'errors.md') page.frontmatter.outline = 2;
    if (page.relativePath === 'configuration.md') page.frontmatter.pageClass = 'options';
  },
  themeConfig: {
    nav: [
      { text: 'Start', link: '/start' },
      { text: 'Tutorial', link: '/tutorial' },
      { text: 'Configuration', link: '/configuration' },
      { text: 'Errors', link: '/errors' },
    ],
    sidebar,
    outline: { level: [2, 3], label: 'On this page' },
    search: {
      provider: 'local',
      options: {
        _render: (src, env, md) => md.render(forSearch(env.relativePath, src), env),
      },
    },
    externalLinkIcon: false,
    socialLinks: [{ icon: 'github', link: 'https://github.com/hubgate/hubgate' }],
    footer: { message: 'hubgate is not made, endorsed or supported by Microsoft. Apache License 2.0.' },
  },
});
