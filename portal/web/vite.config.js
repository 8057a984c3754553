import { defineConfig } from 'vite';

// The names of the files say nothing of their content, so that a change of one is a change of one file in the
// repository. They are served without being cached.
export default defineConfig({
  base: './',
  esbuild: { jsx: 'automatic', jsxImportSource: 'preact', legalComments: 'inline' },
  build: {
    outDir: '../dist',
    emptyOutDir: true,
    target: 'es2022',
    assetsInlineLimit: 0,
    modulePreload: false,
    reportCompressedSize: false,
    rollupOptions: { output: { entryFileNames: 'portal.js', chunkFileNames: '[name].js', assetFileNames: 'portal[extname]' } },
  },
});
