package cli

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"gatehouse.example/internal/mtls"
)

// serviceNames are the processes that have an identity of their own.
var serviceNames = []string{"gateway", "auth", "user", "email", "graph"}

func newCert() *cobra.Command {
	return group("cert", "Issue and look at the certificates between services",
		"  gatehouse cert issue user\n  gatehouse cert show var/tls/user.pem", newCertIssue(), newCertShow())
}

func newCertIssue() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "issue SERVICE...",
		Short: "Issue service certificates from the internal authority, which is made when there is none",
		Long: "Writes SERVICE.pem and SERVICE-key.pem to tls.directory below the data folder. The authority is\n" +
			"tls.ca and tls.ca_key; keep the key away from the machines that run services.",
		Example: "  gatehouse cert issue gateway auth user email graph --ttl 2160h",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usagef(cmd, "name a service: %s", strings.Join(serviceNames, ", "))
			}
			for _, a := range args {
				if !slices.Contains(serviceNames, a) {
					return usagef(cmd, "unknown service %q; want one of %s", a, strings.Join(serviceNames, ", "))
				}
			}
			return nil
		},
	}
	cmd.Flags().String("data", "", "data folder")
	ttl := cmd.Flags().Duration("ttl", 90*24*time.Hour, "how long the certificates are valid")
	out := addOutput(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		cfg, err := loadConfig(cmd, settings{"data": "data"})
		if err != nil {
			return err
		}
		dir := cfg.ResolveData(cfg.TLS.Directory)
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
		authority, err := mtls.LoadOrCreateAuthority(cfg.ResolveData(cfg.TLS.CA), cfg.ResolveData(cfg.TLS.CAKey), cfg.TLS.TrustDomain, time.Now())
		if err != nil {
			return err
		}
		var issued []map[string]string
		for _, service := range args {
			bundle, err := authority.IssueService(service, *ttl)
			if err != nil {
				return err
			}
			cert, key := filepath.Join(dir, service+".pem"), filepath.Join(dir, service+"-key.pem")
			if err := bundle.Save(cert, key); err != nil {
				return err
			}
			issued = append(issued, map[string]string{"service": service, "id": bundle.ID, "certificate": cert, "key": key})
		}
		if *out == outputJSON {
			return printJSON(cmd.OutOrStdout(), map[string]any{"items": issued})
		}
		for _, c := range issued {
			fmt.Fprintf(cmd.OutOrStdout(), "%s  %s\n", c["id"], c["certificate"])
		}
		return nil
	}
	return cmd
}

func newCertShow() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "show FILE...",
		Short:   "Print who a certificate is for, who issued it and until when it is valid",
		Example: "  gatehouse cert show var/ca.pem var/tls/user.pem",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usagef(cmd, "name a certificate file")
			}
			return nil
		},
	}
	out := addOutput(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		var items []map[string]any
		for _, file := range args {
			found, err := readCertificates(file)
			if err != nil {
				return err
			}
			items = append(items, found...)
		}
		if *out == outputJSON {
			return printJSON(cmd.OutOrStdout(), map[string]any{"items": items})
		}
		for _, c := range items {
			fmt.Fprintf(cmd.OutOrStdout(), "%s\n  subject  %s\n  names    %s\n  issuer   %s\n  valid    %s to %s\n",
				c["file"], c["subject"], strings.Join(c["names"].([]string), " "), c["issuer"], c["not_before"], c["not_after"])
		}
		return nil
	}
	return cmd
}

func readCertificates(file string) ([]map[string]any, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var items []map[string]any
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		names := slices.Clone(c.DNSNames)
		for _, u := range c.URIs {
			names = append(names, u.String())
		}
		for _, ip := range c.IPAddresses {
			names = append(names, ip.String())
		}
		items = append(items, map[string]any{
			"file": file, "subject": c.Subject.String(), "issuer": c.Issuer.String(), "names": names,
			"not_before": c.NotBefore.UTC().Format(time.RFC3339), "not_after": c.NotAfter.UTC().Format(time.RFC3339),
		})
	}
	if len(items) == 0 {
		return nil, fmt.Errorf("%s: holds no PEM certificate", file)
	}
	return items, nil
}
