import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'
import vue from '@vitejs/plugin-vue'
import tailwind from '@tailwindcss/vite'

// The API that `npm run dev` talks to.
const api = process.env.HOTLINE_URL ?? 'http://127.0.0.1:8080'

export default defineConfig({
  plugins: [vue(), tailwind()],
  resolve: { alias: { '@': fileURLToPath(new URL('./src', import.meta.url)) } },
  define: { __VUE_I18N_LEGACY_API__: 'false', __INTLIFY_PROD_DEVTOOLS__: 'false' },
  build: { target: 'es2022', reportCompressedSize: false, chunkSizeWarningLimit: 700 },
  server: {
    proxy: { '/api': { target: api, ws: true }, '/healthz': api, '/readyz': api },
  },
  test: { include: ['test/**/*.test.ts'], testTimeout: 30_000 },
})
